"""A real S3 protocol: moto's server on loopback, asked by the commands as a user starts them."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from avsc.synth.make import make_dataset
from avsc.synth.plan import SynthSettings

pytest.importorskip("moto.server")
pytest.importorskip("s3fs")
pytestmark = pytest.mark.slow

STORE = "s3://bucket/x.zarr"
Avsc = Callable[..., "subprocess.CompletedProcess[str]"]


def start_server(port: int) -> "subprocess.Popen[bytes]":
    words = [sys.executable, "-m", "moto.server", "-p", str(port)]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return server
        assert server.poll() is None
        time.sleep(0.1)


@pytest.fixture(scope="module")
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def server(port: int) -> Iterator["subprocess.Popen[bytes]"]:
    import boto3

    process = start_server(port)
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    client = boto3.client(
        "s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1", **keys
    )
    client.create_bucket(Bucket="bucket")
    yield process
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def environment(port: int) -> dict[str, str]:
    mine = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    return mine | {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.fixture(scope="module")
def avsc(environment: dict[str, str]) -> Avsc:
    def run(*words: object, **changed: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "avsc", *map(str, words)]
        return subprocess.run(
            command, env=environment | changed, capture_output=True, text=True, timeout=300
        )

    return run


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic")
    make_dataset(folder, SynthSettings(4, 4, width=64, height=48), 2)
    return folder


@pytest.fixture(scope="module")
def store(server: "subprocess.Popen[bytes]", avsc: Avsc, dataset: Path) -> str:
    del server
    made = avsc("prepare", dataset, STORE, "--workers", 2, "--partition-clips", 8)
    assert made.returncode == 0, made.stderr
    return STORE


def test_every_command_reads_the_store(
    store: str, avsc: Avsc, dataset: Path, tmp_path: Path
) -> None:
    again = avsc("prepare", dataset, store, "--partition-clips", 8)
    assert (again.returncode, "0 prepared now" in again.stderr) == (0, True)
    assert store in avsc("info", store).stdout
    assert avsc("verify", store).returncode == 0
    tiny = ("--set", "visual.model=test_resnet", "--set", "visual.image_size=32")
    short = ("--set", "train.epochs=1", "--set", "visual.weights=random")
    trained = avsc("train", store, "--out", tmp_path / "run", *tiny, *short)
    assert trained.returncode == 0, trained.stderr
    scored = avsc("evaluate", tmp_path / "run")
    assert scored.returncode == 0, scored.stderr
    assert (tmp_path / "run/evaluation/metrics.json").is_file()
    listed = avsc("reproduce", "table2", "--store", store, "--out", tmp_path, "--dry-run")
    assert (listed.returncode, store in listed.stdout + listed.stderr) == (0, True)


def test_missing_credentials_and_buckets_are_messages(
    store: str, avsc: Avsc, dataset: Path
) -> None:
    none = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    for words in (("info", store), ("verify", store), ("prepare", dataset, "s3://bucket/z.zarr")):
        done = avsc(*words, **none)
        assert (done.returncode, "Traceback" in done.stderr) == (1, False)
        assert "redentials" in done.stderr
    done = avsc("prepare", dataset, "s3://nosuchbucket/x.zarr")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "s3://nosuchbucket/x.zarr" in done.stderr


def test_an_outage_is_a_message_and_the_same_command_goes_on(
    server: "subprocess.Popen[bytes]",
    store: str,
    avsc: Avsc,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    settings = ["visual.model=test_resnet", "visual.weights=random", "visual.image_size=32"]
    settings.append("train.cache=none")  # or no picture is asked for again
    words = ["train", store, "--out", str(tmp_path / "run"), "--set", "train.epochs=500"]
    words += [word for setting in settings for word in ("--set", setting)]
    training = subprocess.Popen(
        [sys.executable, "-m", "avsc", *words], env=environment, stderr=subprocess.PIPE, text=True
    )
    assert training.stderr
    while "epoch 1/" not in training.stderr.readline():
        assert training.poll() is None
    server.kill()
    server.wait()
    _, said = training.communicate()
    assert training.wait() == 1
    assert "Traceback" not in said
    assert "delete" not in said
    assert store in said
    done = avsc("verify", store)
    assert (done.returncode, "Traceback" in done.stderr, "delete" in done.stderr) == (1, 0, 0)
