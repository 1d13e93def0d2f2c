"""The blocks of code on all pages, and who runs the commands among them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FOLDERS = ("docs", "examples", ".github")
PAGES = sorted([*ROOT.glob("*.md"), *(page for folder in _FOLDERS for page in (ROOT / folder).rglob("*.md"))])
# A block of any other language is a mistake: commands in it would never be run.
LANGUAGES = {"sh", "text", "python", "json", "yaml", "dockerfile", "diff", "nginx"}
# Why commands cannot be run by a test, and how many blocks each reason excuses.
EXCUSED = {"takes minutes": 4, "needs a GPU": 1, "needs a cluster": 2, "needs Slurm": 2}
# Which test runs the commands below a heading, each once.
RUN_BY = {
    ("README.md", "In a minute"): "tests/docs/test_readme.py::test_a_newcomer_gets_the_answer_of_the_page",
    ("README.md", "Three ways in"): "tests/images/test_readme.py::test_commands_on_a_folder",
    ("docs/tutorial/first-model.md", "9. The same in the images"): (
        "tests/images/test_tutorial.py::test_the_same_in_the_images"
    ),
    ("docs/tutorial/first-model.md", ""): "tests/docs/test_tutorial.py::test_tutorial_as_it_is_written",
    ("docs/explanation/fuzzing.md", ""): "tests/docs/test_commands.py::test_a_failing_input_is_made_again",
    ("docs/how-to/find-the-cause.md", "Tools"): "tests/docs/test_commands.py::test_tools",
    ("docs/reference/observability.md", "GET /metrics"): "tests/docs/test_commands.py::test_metrics",
    ("docs/how-to/train-without-code.md", "Train"): "tests/docs/test_algorithms_page.py::test_commands",
    ("docs/how-to/train-without-code.md", "XGBoost"): "tests/docs/test_algorithms_page.py::test_xgboost",
    ("docs/how-to/platform.md", ""): "tests/docs/test_platform_page.py::test_commands",
    ("docs/how-to/run-jobs.md", ""): "tests/docs/test_run_page.py::test_commands",
    ("docs/how-to/endpoints.md", ""): "tests/docs/test_endpoints_page.py::test_commands",
    ("docs/how-to/guarded-deployments.md", ""): (
        "tests/local/end_to_end/test_guarded_deployments.py::test_the_page"
    ),
    ("docs/how-to/recommend.md", ""): (
        "tests/local/end_to_end/test_recommend.py::test_the_command_of_the_page"
    ),
    ("docs/how-to/stream.md", ""): "tests/docs/test_commands.py::test_stream",
    ("docs/how-to/kubernetes.md", "Data in, model out"): "tests/docs/test_commands.py::test_fetch_and_push",
    ("docs/how-to/kubernetes.md", "From a request"): "tests/docs/test_commands.py::test_render",
    ("docs/how-to/deploy.md", "compose"): "tests/images/test_deploy.py::test_compose",
    ("docs/reference/images.md", "What is inside"): "tests/images/test_pages.py::test_sbom",
    ("docs/reference/serving.md", "How it runs"): "tests/images/test_pages.py::test_tls",
    ("examples/README.md", ""): "tests/images/test_examples.py::test_example_trains_and_answers",
}
_BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?"
    r"(?P<fence>[ ]*```+)(?P<info>[^\n]*)\n(?P<content>.*?)^(?P=fence)$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A block of code on a page."""

    page: str
    section: str
    """The heading of the second level above it."""
    language: str
    content: str
    reason: str
    """Why it is not run; "" if it is."""

    @property
    def runner(self) -> str:
        """The test that runs it; "" if none does."""
        return RUN_BY.get((self.page, self.section)) or RUN_BY.get((self.page, ""), "")


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page, in their order."""
    text = page.read_text()
    headings = {one.start(): one[1] for one in re.finditer(r"^## (.*)$", _blank(text), re.MULTILINE)}
    return [
        Block(
            page=str(page.relative_to(ROOT)),
            section=next((name for place, name in reversed(headings.items()) if place < block.start()), ""),
            language=block["info"].split(" ")[0],
            content=block["content"],
            reason=block["reason"] or "",
        )
        for block in _BLOCK.finditer(text)
    ]


def every_block() -> list[Block]:
    """Return the blocks of all pages."""
    return [block for page in PAGES for block in blocks(page)]


def commands(page: str, section: str) -> list[str]:
    """Return the commands that are to be run below a heading of a page."""
    return [
        block.content
        for block in blocks(ROOT / page)
        if block.language == "sh" and not block.reason and section in ("", block.section)
    ]


def _blank(text: str) -> str:
    """Return a text of the same length whose code has no headings: a comment of a shell looks like one."""
    return _BLOCK.sub(lambda block: re.sub(r"[^\n]", " ", block[0]), text)
