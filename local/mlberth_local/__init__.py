"""The platform on one machine: its API, buckets, jobs and engines, behind `mlberth up`."""
