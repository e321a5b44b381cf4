"""Why a container image cannot be taken.

The errors as a tree::

ImageError
├── ImageMissing      no such image, or no longer
├── ImageDenied       the registry refuses us
├── ImageUnsupported  manifest, configuration or layers of a kind Lambda does not take
├── BadImage          it can never be used: damaged, hostile, too large, for another machine
└── ImageUnavailable  it could not be fetched now (network, missing tool)
"""

from __future__ import annotations

from functory.kernel.errors import FunctoryError


class ImageError(FunctoryError):
    """Root; the text says what was found."""


class ImageMissing(ImageError):  # noqa: N818  reads as what it is
    """See the module."""


class ImageDenied(ImageError):  # noqa: N818  reads as what it is
    """See the module."""


class ImageUnsupported(ImageError):  # noqa: N818  reads as what it is
    """See the module."""


class BadImage(ImageError):  # noqa: N818  reads as what it is
    """See the module."""


class ImageUnavailable(ImageError):  # noqa: N818  reads as what it is
    """See the module."""
