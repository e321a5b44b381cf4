from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.functions import asked, call, code_of, make_function, wait_active, wait_updated
from tests.support.node import FUNCTORY, program_environment, run, running_node
from tests.support.signing import PROFILE, key_pair

ANSWERS = "def handler(event, context):\n    return {}\n"


def signed(folder: Path, content: bytes, *options: str) -> bytes:
    package = folder / "package.zip"
    package.write_bytes(content)
    command = (*FUNCTORY, "sign", str(package), "--key", str(folder / "key.pem"), "--profile", PROFILE, *options)
    run(*command, environ=program_environment())
    return package.read_bytes()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    private, public = key_pair()
    (tmp_path / "key.pem").write_bytes(private)
    (tmp_path / "public.pem").write_bytes(public)
    return tmp_path


def test_only_signed_code_is_deployed_where_that_is_enforced(keys: Path) -> None:
    profiles = f"{PROFILE}={keys / 'public.pem'}"
    with running_node(keys / "data", FUNCTORY_LAMBDA_SIGNING_PROFILES=profiles) as node:
        client = node.client("lambda")
        config = client.create_code_signing_config(
            AllowedPublishers={"SigningProfileVersionArns": [PROFILE]},
            CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"},
            Description="ours",
            Tags={"a": "b"},
        )["CodeSigningConfig"]
        arn = config["CodeSigningConfigArn"]
        assert client.get_code_signing_config(CodeSigningConfigArn=arn)["CodeSigningConfig"] == config
        assert client.list_code_signing_configs()["CodeSigningConfigs"] == [config]
        assert client.list_tags(Resource=arn)["Tags"] == {"a": "b"}
        errors = client.exceptions
        code = code_of(ANSWERS.format(1))
        with pytest.raises(errors.CodeVerificationFailedException):
            client.create_function(**asked("signed", ANSWERS.format(1), CodeSigningConfigArn=arn))
        package = signed(keys, code)
        client.create_function(**{**asked("signed", CodeSigningConfigArn=arn), "Code": {"ZipFile": package}})
        wait_active(client, "signed")
        assert call(client, "signed") == 1
        assert client.get_function_code_signing_config(FunctionName="signed")["CodeSigningConfigArn"] == arn
        listed = client.list_functions_by_code_signing_config(CodeSigningConfigArn=arn)["FunctionArns"]
        assert [each.rpartition(":")[2] for each in listed] == ["signed"]

        other = code_of(ANSWERS.format(2))
        for refused in (other, signed(keys, other, "--days", "0")):
            with pytest.raises(errors.CodeVerificationFailedException):
                client.update_function_code(FunctionName="signed", ZipFile=refused)
        with pytest.raises(errors.ResourceConflictException):
            client.delete_code_signing_config(CodeSigningConfigArn=arn)

        client.update_code_signing_config(
            CodeSigningConfigArn=arn, CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Warn"}
        )
        client.update_function_code(FunctionName="signed", ZipFile=other)
        wait_updated(client, "signed")
        assert call(client, "signed") == 2
        tampered = signed(keys, code_of(ANSWERS.format(3)))
        with pytest.raises(errors.InvalidCodeSignatureException):
            client.update_function_code(FunctionName="signed", ZipFile=_with_file(tampered))

        client.delete_function_code_signing_config(FunctionName="signed")
        client.delete_code_signing_config(CodeSigningConfigArn=arn)
        with pytest.raises(errors.ResourceNotFoundException) as gone:
            client.get_code_signing_config(CodeSigningConfigArn=arn)
        assert gone.value.response["Error"]["Message"] == "The Lambda code signing configuration ARN can not be found."
        with pytest.raises(errors.CodeSigningConfigNotFoundException):
            client.put_function_code_signing_config(FunctionName="signed", CodeSigningConfigArn=arn)


def _with_file(content: bytes) -> bytes:
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("added.py", "x = 1\n")
    return buffer.getvalue()


def test_what_has_no_signature_to_read_is_refused(aws_lambda: Any) -> None:
    config = aws_lambda.create_code_signing_config(AllowedPublishers={"SigningProfileVersionArns": [PROFILE]})
    arn = config["CodeSigningConfig"]["CodeSigningConfigArn"]
    make_function(aws_lambda, "layered-unsigned")
    layer = aws_lambda.publish_layer_version(LayerName="unsigned", Content={"ZipFile": code_of("x = 1\n")})
    aws_lambda.put_function_code_signing_config(FunctionName="layered-unsigned", CodeSigningConfigArn=arn)
    with pytest.raises(aws_lambda.exceptions.InvalidParameterValueException, match="with layers is not supported"):
        aws_lambda.update_function_configuration(FunctionName="layered-unsigned", Layers=[layer["LayerVersionArn"]])
    aws_lambda.delete_function(FunctionName="layered-unsigned")
    aws_lambda.delete_code_signing_config(CodeSigningConfigArn=arn)
