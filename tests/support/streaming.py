"""Functions that stream, and the handshake that proves a first byte came before the function had ended.

A handshake is a tag of the function: the function waits, in the middle of its response, until the tag ``go`` is there, which
the test sets when it has the first piece in its hands.
"""

from __future__ import annotations

from typing import Any

from tests.support.functions import ROLE, wait_active, zip_of

NODE_RUNTIME = "nodejs22.x"

WAIT = """
const http = require('node:http');
const scope = `${process.env.AWS_ACCESS_KEY_ID}/20261123/${process.env.AWS_REGION}/lambda/aws4_request`;
const headers = { Authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=00` };
const tags = (arn) => new Promise((resolve, reject) => {
  const url = `${process.env.AWS_ENDPOINT_URL}/2017-03-31/tags/${encodeURIComponent(arn)}`;
  http.get(url, { headers }, (answer) => {
    let text = '';
    answer.on('data', (piece) => (text += piece));
    answer.on('end', () => resolve(JSON.parse(text).Tags ?? {}));
  }).on('error', reject);
});
async function wait(context) {
  const arn = context.invokedFunctionArn.split(':').slice(0, 7).join(':');
  while (!(await tags(arn)).go) await new Promise((resolve) => setTimeout(resolve, 20));
}
"""
"""JavaScript: ``await wait(context)`` returns when the function has the tag ``go``."""


def make_streaming(client: Any, name: str, body: str, **members: Any) -> str:
    """A Node.js function whose streaming handler ``(event, stream, context)`` has this body; returns its ARN."""
    source = f"{WAIT}\nexports.handler = awslambda.streamifyResponse(async (event, stream, context) => {{\n{body}\n}});\n"
    return make_node(client, name, source, **members)


def make_node(client: Any, name: str, source: str, **members: Any) -> str:
    """A Node.js function of one file; returns its ARN."""
    created = client.create_function(
        FunctionName=name,
        Role=ROLE,
        Runtime=NODE_RUNTIME,
        Handler="app.handler",
        Code={"ZipFile": zip_of({"app.js": source})},
        **{"Timeout": 30, **members},
    )
    wait_active(client, name)
    return str(created["FunctionArn"])


def let_go(client: Any, arn: str) -> None:
    """The other half of the handshake."""
    client.tag_resource(Resource=arn, Tags={"go": "1"})
