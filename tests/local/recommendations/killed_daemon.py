"""A daemon whose job is under load when it is killed: `HOME`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tests.local.recommendations.recommendation_platform import RecommendationPlatform
from tests.support import wait_until


def main(home: Path) -> None:
    """Start a job with two tests, and die when the first one is under load."""
    platform = RecommendationPlatform(home)
    platform.model("m")
    ranges = {"CategoricalParameterRanges": [{"Name": "SAGEMAKER_BATCH_MAX_SIZE", "Value": ["1", "2"]}]}
    config = [{"InstanceType": "ml.m5.large", "EnvironmentParameterRanges": ranges}]
    request = platform.request("j", "m", platform.samples("1"), EndpointConfigurations=config)
    platform.call("CreateInferenceRecommendationsJob", **request)
    wait_until(lambda: any("invocations a minute" in line for line in platform.log("j")), timeout=60)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
