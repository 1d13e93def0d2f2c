"""S3 on plain folders: the object KEY of BUCKET is the file `HOME/s3/BUCKET/KEY`, whoever put it there."""
