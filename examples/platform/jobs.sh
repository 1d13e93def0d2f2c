#!/usr/bin/env bash
# Process, train on two hosts and predict with the aws command alone: jobs.sh [TRAIN_IMAGE [SERVE_IMAGE]]
#
# Run `mlberth up --detach` and `eval "$(mlberth env)"` first; with other credentials the same runs on AWS.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
train_image=${1:-mlberth-train:xgboost}
serve_image=${2:-mlberth-serve:xgboost}
name=flowers-$(date +%s)
bucket=s3://flowers
role=$(aws iam get-role --role-name mlberth --query Role.Arn --output text)
cluster=InstanceType=ml.m5.large,VolumeSizeInGB=1

# Wait for a job's end: `aws sagemaker wait` looks every two minutes.
completed() { # OPERATION NAME_FLAG STATUS_MEMBER
    local status
    while status=$(aws sagemaker "$1" "$2" "$name" --query "$3" --output text); [ "$status" = InProgress ]; do
        sleep 0.5
    done
    echo "$1: $status"
    [ "$status" = Completed ]
}

aws s3 mb "$bucket"
aws s3 cp --only-show-errors "$here/../iris/iris.csv" "$bucket/$name/flowers/iris.csv"
aws s3 cp --only-show-errors "$here/split.py" "$bucket/$name/code/split.py"

input() { # NAME
    echo "InputName=$1,S3Input={S3Uri=$bucket/$name/$1,LocalPath=/opt/ml/processing/input/$1,S3DataType=S3Prefix,S3InputMode=File}"
}
output() { # NAME
    echo "{OutputName=$1,S3Output={S3Uri=$bucket/$name/$1,LocalPath=/opt/ml/processing/output/$1,S3UploadMode=EndOfJob}}"
}
aws sagemaker create-processing-job --processing-job-name "$name" --role-arn "$role" \
    --app-specification "ImageUri=$train_image,ContainerEntrypoint=python3,/opt/ml/processing/input/code/split.py" \
    --processing-resources "ClusterConfig={InstanceCount=1,$cluster}" \
    --processing-inputs "$(input flowers)" "$(input code)" \
    --processing-output-config "Outputs=[$(output train),$(output rows)]" >/dev/null
completed describe-processing-job --processing-job-name ProcessingJobStatus

# Each host learns from its own file, and both make one model.
aws sagemaker create-training-job --training-job-name "$name" --role-arn "$role" \
    --algorithm-specification "TrainingImage=$train_image,TrainingInputMode=File" \
    --hyper-parameters objective=multi:softmax,num_class=3,num_round=10 \
    --input-data-config "ChannelName=train,ContentType=text/csv,DataSource={S3DataSource={S3DataType=S3Prefix,S3Uri=$bucket/$name/train,S3DataDistributionType=ShardedByS3Key}}" \
    --output-data-config "S3OutputPath=$bucket/models" \
    --resource-config "InstanceCount=2,$cluster" --stopping-condition MaxRuntimeInSeconds=600 >/dev/null
completed describe-training-job --training-job-name TrainingJobStatus

model=$(aws sagemaker describe-training-job --training-job-name "$name" --query ModelArtifacts.S3ModelArtifacts --output text)
aws sagemaker create-model --model-name "$name" --execution-role-arn "$role" \
    --primary-container "Image=$serve_image,ModelDataUrl=$model" >/dev/null
aws sagemaker create-transform-job --transform-job-name "$name" --model-name "$name" \
    --transform-input "ContentType=text/csv,SplitType=Line,DataSource={S3DataSource={S3DataType=S3Prefix,S3Uri=$bucket/$name/rows}}" \
    --transform-output "S3OutputPath=$bucket/$name/answers,Accept=text/csv,AssembleWith=Line" \
    --data-processing JoinSource=Input \
    --transform-resources InstanceType=ml.m5.large,InstanceCount=1 >/dev/null
completed describe-transform-job --transform-job-name TransformJobStatus

aws s3 cp --only-show-errors "$bucket/$name/answers/rows.csv.out" -
