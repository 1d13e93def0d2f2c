"""The example `chat`, read by OpenAI's own client."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tests.serve.running import Server

if TYPE_CHECKING:
    import pytest
    from openai.types.chat import ChatCompletionMessageParam

EXAMPLE = Path(__file__).parents[3] / "examples/chat"
MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Ahoy, berth seven!"}]


def test_the_openai_client_reads_the_stream(tmp_path_factory: pytest.TempPathFactory, front: str) -> None:
    """Token by token, or at once."""
    import openai  # takes half a second, which only the process with this test pays

    folder = tmp_path_factory.mktemp("chat")
    shutil.copytree(EXAMPLE, folder / "ml/model/code")
    with Server(folder, "mlberth_serve.wsgi:application", SAGEMAKER_USE_NGINX=front) as server:
        server.wait_ready()
        url = f"http://127.0.0.1:{server.port}/v1"
        with openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=20) as client:
            stream = client.chat.completions.create(model="echo", messages=MESSAGES, stream=True)
            tokens = [chunk.choices[0].delta.content or "" for chunk in stream]
            assert len(tokens) == 7
            assert "".join(tokens) == "You said: Ahoy, berth seven! "
            whole = client.chat.completions.create(model="echo", messages=MESSAGES)
            assert whole.choices[0].message.content == "You said: Ahoy, berth seven! "
