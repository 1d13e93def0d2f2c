"""The end of the tutorial, in containers, as it is written."""

from __future__ import annotations

from tests.docs.pages import File, Step, differences, read, script
from tests.docs.test_tutorial import WITH_DOCKER, WITHOUT_DOCKER
from tests.images.conftest import Image
from tests.images.pages import Shell

# What the earlier commands of the page have made.
PREPARED = """\
mkdir -p first-model/ml/code first-model/ml/input/config first-model/ml/input/data/training
cd first-model
echo '{"max-iter": "300"}' > ml/input/config/hyperparameters.json
"""


def test_the_same_in_the_images(shell: Shell, image: Image) -> None:
    """The files that the reader has saved are trained and served by the images, with the page's output."""
    image("serve", "sklearn")
    saved = [part for part in read(WITHOUT_DOCKER) if isinstance(part, File)]
    parts = [Step(PREPARED), *saved, *read(WITH_DOCKER)]
    assert (found := differences(parts, shell.run(script(parts)), shell.folder, 8080)) == "", found
