from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.functions import call, make_function
from tests.support.node import running_node

READS = "import os\ndef handler(event, context):\n    return os.environ['PASSWORD']\n"
PASSWORD = "hunter2-hunter2-hunter2"


def test_environment_variables_are_sealed_on_the_disk(tmp_path: Path) -> None:
    folder = tmp_path / "sealed"
    with running_node(folder) as node:
        variables: dict[str, Any] = {"Variables": {"PASSWORD": PASSWORD}}
        make_function(node.client("lambda"), "sealed", READS, Environment=variables, Publish=True)
        node.kill()
        files = [file for file in folder.glob("functory.db*") if file.is_file()]
        assert files
        assert not [file for file in files if PASSWORD.encode() in file.read_bytes()]
        node.start()
        client = node.client("lambda")
        assert call(client, "sealed") == PASSWORD
        assert client.get_function_configuration(FunctionName="sealed")["Environment"] == variables
