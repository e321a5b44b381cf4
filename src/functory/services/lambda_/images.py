"""Functions made from container images: what a request may say, and where its image leads to."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from functory.core.artifacts.image_errors import BadImage, ImageDenied, ImageError, ImageMissing, ImageUnsupported
from functory.core.artifacts.images import Images
from functory.services.lambda_ import errors, rules
from functory.services.lambda_.records import Code, Image
from functory.services.lambda_.room import Room

_ZIP_ONLY = ("Runtime", "Handler", "Layers")
_IMAGE_CONFIG_BYTES = 16 * 1024  # AWS: "image settings 16 KB"


def is_image(params: Mapping[str, Any]) -> bool:
    """Whether a function that is being created shall be one."""
    return params.get("PackageType") == "Image"


def check_members(params: Mapping[str, Any], code: Mapping[str, Any], *, image: bool) -> None:
    """Refuse members of the other kind of function.

    Args:
        params: the request.
        code: where ZipFile and ImageUri are.
        image: the kind of the function.

    Raises:
        AwsError: there is one.
    """
    if not image:
        if "ImageUri" in code:
            raise errors.invalid("Please don't provide ImageUri when the intended function PackageType is Zip.")
        if params.get("ImageConfig"):
            raise errors.invalid("Please don't provide ImageConfig when the intended function PackageType is Zip.")
        return
    if any(params.get(member) for member in _ZIP_ONLY):
        raise errors.invalid(
            "Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image."
        )
    if "ZipFile" in code or "S3Bucket" in code:
        raise errors.invalid("Please don't provide ZipFile or S3Bucket when the intended function PackageType is Image.")
    if not code.get("ImageUri") and "PackageType" in params:
        raise errors.invalid("Please provide ImageUri when the intended function PackageType is Image.")


def check_update(params: Mapping[str, Any], *, image: bool) -> None:
    """Whether an update of the code brings code of the function's kind.

    Raises:
        AwsError: it does not.
    """
    if image and not params.get("ImageUri"):
        raise errors.invalid("Please provide ImageUri when updating a function with packageType Image.")
    if not image and "ImageUri" in params:
        raise errors.invalid("Please don't provide ImageUri when updating a function with packageType Zip.")


async def resolved(images: Images, uri: str) -> tuple[Code, Image]:
    """What an ImageUri leads to now.

    Raises:
        AwsError: no image that could run here.
    """
    if not images.is_supported:
        raise errors.unsupported("PackageType Image without isolation (the node's sandbox driver is not oci)")
    try:
        key, resolved_uri = await images.resolve(uri)
    except ImageMissing as error:
        raise errors.invalid(f"Source image {uri} does not exist. Provide a valid source image.") from error
    except ImageDenied as error:
        raise errors.invalid(
            f"Lambda does not have permission to access the ECR image. Check the ECR permissions. ({error})"
        ) from error
    except ImageUnsupported as error:
        raise errors.invalid(
            f"The image manifest, config or layer media type for the source image {uri} is not supported."
        ) from error
    except BadImage as error:
        raise errors.invalid(f"Source image {uri} is not valid. Provide a valid source image.") from error
    except ImageError as error:
        raise errors.invalid(f"Source image {uri} could not be read: {error}") from error
    return Code(key, 0, 0), Image(uri=uri, resolved_uri=resolved_uri)


@contextlib.asynccontextmanager
async def incoming(room: Room, source: Mapping[str, Any], *, image: bool) -> AsyncIterator[tuple[Code, Image | None]]:
    """The code of a request, kept from collection while the caller commits what refers to it.

    Args:
        room: the service's.
        source: where ZipFile or ImageUri is.
        image: which of them.

    Raises:
        AwsError: it cannot be used.
    """
    if image:
        code, found = await resolved(room.images, source["ImageUri"])
        async with room.packages.kept(code):
            yield code, found
    else:
        async with room.packages.stored(rules.check_zip(source.get("ZipFile"))) as code:
            yield code, None


def configured(image: Image, given: Mapping[str, Any] | None) -> Image:
    """An image with the ``ImageConfig`` of a request; an absent one changes nothing.

    Raises:
        AwsError: it is larger than 16 KB.
    """
    if given is None:
        return image
    if len(msgspec.json.encode(given)) > _IMAGE_CONFIG_BYTES:
        raise errors.invalid("The image settings exceed the limit of 16 KB.")
    return msgspec.structs.replace(
        image,
        entry_point=list(given["EntryPoint"]) if given.get("EntryPoint") else None,
        command=list(given["Command"]) if given.get("Command") else None,
        working_directory=given.get("WorkingDirectory") or None,
    )


def failure(error: ImageError) -> tuple[str, str]:
    """Reason code and reason of an image that cannot be prepared."""
    if isinstance(error, ImageDenied):
        return "ImageAccessDenied", "Lambda does not have permission to access the ECR image. Check the ECR permissions."
    if isinstance(error, ImageMissing):
        return "ImageDeleted", "The container image was deleted."
    if isinstance(error, (BadImage, ImageUnsupported)):
        return "InvalidImage", f"The container image is not valid: {error}"
    return "InternalError", f"The container image could not be fetched: {error}"
