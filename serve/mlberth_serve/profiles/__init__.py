"""Profiles: a peer's answers, byte for byte, if they are not ours. SAGEMAKER_PROFILE selects one.

To add one, write a module with a PROFILE and give it a line in PROFILES and in `Variables.profile`.
"""

from __future__ import annotations

from mlberth_serve.profiles import pytorch, sklearn, xgboost
from mlberth_serve.profiles.base import Profile

PROFILES: dict[str, Profile] = {
    "none": Profile(),
    "sklearn": sklearn.PROFILE,
    "xgboost": xgboost.PROFILE,
    "pytorch": pytorch.PROFILE,
}
