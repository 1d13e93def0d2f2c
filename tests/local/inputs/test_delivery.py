"""Channels as a program finds them, in real jobs."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from tests.local.jobs.job_platform import BUCKET, JobPlatform, channel


def test_pipes(jobs: JobPlatform) -> None:
    """Each epoch is a FIFO of its own with the whole channel, shuffled anew, unpacked, and in records."""
    for number in range(5):
        jobs.put(f"data/{number}.csv", f"{number}\n")
    jobs.put("packed/a.gz", gzip.compress(b"packed"))
    found = jobs.train(
        "import os, stat, sys\n"
        "from mlberth.channels.recordio import read_records\n"
        "def read(name, epoch):\n"
        "    path = f'/opt/ml/input/data/{name}_{epoch}'\n"
        "    while not os.path.exists(path): pass\n"
        "    assert stat.S_ISFIFO(os.stat(path).st_mode)\n"
        "    with open(path, 'rb') as pipe: return pipe.read()\n"
        "print([read('plain', n).split() for n in range(2)])\n"
        "print([sorted(read('mixed', n).split()) for n in range(2)])\n"
        "print(read('packed', 0))\n"
        "import io; print(list(read_records(io.BytesIO(read('records', 0)))))\n",
        InputDataConfig=[
            channel("plain", "data/", InputMode="Pipe"),
            channel("mixed", "data/", InputMode="Pipe", ShuffleConfig={"Seed": 7}),
            channel("packed", "packed/", InputMode="Pipe", CompressionType="Gzip"),
            channel("records", "data/", InputMode="Pipe", RecordWrapperType="RecordIO"),
        ],
    )
    assert found["TrainingJobStatus"] == "Completed", found
    parts = [str(number).encode() for number in range(5)]
    assert jobs.lines()["algo-1"] == [
        str([parts, parts]),
        str([parts, parts]),
        str(b"packed"),
        str([part + b"\n" for part in parts]),
    ]


def test_manifests(jobs: JobPlatform) -> None:
    """A manifest names the objects; an augmented one brings attributes by turns, or its objects as files."""
    for name in ("a", "b", "c"):
        jobs.put(f"data/{name}.txt", name)
    jobs.put("plain.manifest", json.dumps([{"prefix": f"s3://{BUCKET}/data/"}, "a.txt", "c.txt"]))
    lines = [
        {"source-ref": f"s3://{BUCKET}/data/{name}.txt", "label": number} for number, name in enumerate("ba")
    ]
    jobs.put("augmented.manifest", "\n".join(map(json.dumps, lines)))
    augmented = {"S3DataType": "AugmentedManifestFile", "AttributeNames": ["source-ref", "label"]}
    jobs.train(
        "import os, io\n"
        "from mlberth.channels.recordio import read_records\n"
        "print(sorted(os.listdir('/opt/ml/input/data/plain')))\n"
        "data = '/opt/ml/input/data/'\n"
        "print(os.path.exists(data + 'files-manifest'), os.listdir(data + 'files/data'))\n"
        "path = '/opt/ml/input/data/piped_0'\n"
        "while not os.path.exists(path): pass\n"
        "print(list(read_records(io.BytesIO(open(path, 'rb').read()))))\n",
        InputDataConfig=[
            channel("plain", "plain.manifest", S3DataType="ManifestFile"),
            channel("files", "augmented.manifest", **augmented),
            channel(
                "piped", "augmented.manifest", InputMode="Pipe", RecordWrapperType="RecordIO", **augmented
            ),
        ],
    )
    plain, files, piped = jobs.lines()["algo-1"]
    assert plain == "['a.txt', 'c.txt']"
    assert files.startswith("True ")
    assert "a.txt" in files
    assert "b.txt" in files
    assert piped == str([b"b", b"0", b"a", b"1"])


def test_files_can_be_written_to(jobs: JobPlatform, tmp_path: Path) -> None:
    """The bucket never changes, and a channel that is a whole folder of it is not copied if it need not be.

    One that is not, and one whose address cannot be told to the kernel, is.
    """
    keys = ["data/a.csv", "data/deep/b.csv", "data,odd/a.csv", "data/c.csv.d/e"]
    for key in keys:
        jobs.put(key, "1")
    found = jobs.train(
        "import os, pathlib\n"
        "data = pathlib.Path('/opt/ml/input/data')\n"
        "mounted = {line.split()[1] for line in open('/proc/self/mounts') if line.startswith('overlay ')}\n"
        "for folder in sorted(data.iterdir()):\n"
        "    files = sorted(path for path in folder.rglob('*') if path.is_file())\n"
        "    for path in files: path.chmod(0o755); path.write_text('2')\n"
        "    (folder / 'new').touch(); files[0].unlink()\n"
        "    print(folder.name, len(files), str(folder) in mounted)\n",
        InputDataConfig=[
            channel("odd", "data,odd/"),
            channel("part", "data/c"),
            channel("whole", "data/"),
        ],
    )
    assert found["TrainingJobStatus"] == "Completed", found
    is_mounted = jobs.jobs.context.engine.has_overlays(tmp_path)
    assert jobs.lines()["algo-1"] == ["odd 1 False", "part 1 False", f"whole 3 {is_mounted}"]
    assert all((jobs.bucket / key).read_text() == "1" for key in keys)
    assert not (jobs.bucket / "data/new").exists()


def test_fast_file_cannot_be_written_to(jobs: JobPlatform) -> None:
    """FastFile shows itself as File, and its files are read-only."""
    jobs.put("data/a.csv", "1")
    jobs.train(
        "import json, os\n"
        "print(json.load(open('/opt/ml/input/config/inputdataconfig.json'))['a']['TrainingInputMode'])\n"
        "print(oct(os.stat('/opt/ml/input/data/a/a.csv').st_mode & 0o222))\n",
        InputDataConfig=[channel("a", "data/", InputMode="FastFile")],
    )
    assert jobs.lines()["algo-1"] == ["File", "0o0"]


READ = (
    "import os, time\n"
    "while not os.path.exists('/opt/ml/input/data/a_{epoch}'): time.sleep(0.01)\n"
    "print(len(open('/opt/ml/input/data/a_{epoch}', 'rb').read()))\n"
)


@pytest.mark.parametrize("epochs", [1, 2])
@pytest.mark.parametrize("wrapper", ["None", "RecordIO"])
def test_a_damaged_object_of_a_pipe(jobs: JobPlatform, epochs: int, wrapper: str) -> None:
    """The job fails with its name, whether the program takes an early end for the end or waits for more."""
    packed = gzip.compress(bytes(range(256)) * 100)
    jobs.put("data/a.gz", packed)
    jobs.put("data/b.gz", packed[:-20])
    found = jobs.train(
        "".join(READ.format(epoch=epoch) for epoch in range(epochs)),
        InputDataConfig=[
            channel("a", "data/", InputMode="Pipe", CompressionType="Gzip", RecordWrapperType=wrapper)
        ],
    )
    assert (found["TrainingJobStatus"], found["SecondaryStatus"]) == ("Failed", "Failed")
    text = f"ClientError: Data download failed: s3://{BUCKET}/data/b.gz: Compressed file ended"
    assert found["FailureReason"].startswith(text)


def test_a_damaged_object_of_a_processing_job(jobs: JobPlatform) -> None:
    """The same, for an input in Pipe mode."""
    jobs.put("data/a.gz", b"no gzip")
    source = {
        "S3Uri": f"s3://{BUCKET}/data/",
        "LocalPath": "/opt/ml/processing/a",
        "S3DataType": "S3Prefix",
        "S3InputMode": "Pipe",
        "S3CompressionType": "Gzip",
    }
    program = READ.format(epoch=0).replace("input/data", "processing")
    found = jobs.process(program, ProcessingInputs=[{"InputName": "a", "S3Input": source}])
    assert found["ProcessingJobStatus"] == "Failed"
    assert found["FailureReason"].startswith(f"ClientError: Data download failed: s3://{BUCKET}/data/a.gz: ")


def test_a_pipe_in_the_place_of_a_folder(jobs: JobPlatform) -> None:
    """Channels whose names clash fail the job; it does not wait for a pipe that never comes."""
    jobs.put("data/a", "1")
    found = jobs.train(
        "import time; time.sleep(600)",
        InputDataConfig=[channel("a", "data/", InputMode="Pipe"), channel("a_0", "data/")],
    )
    assert found["TrainingJobStatus"] == "Failed"
    assert "Is a directory" in found["FailureReason"]
