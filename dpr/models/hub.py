"""Download models from the Hugging Face hub into its local cache."""

from __future__ import annotations

from pathlib import Path

from dpr.errors import ModelError

_FILES = ["*.json", "*.txt", "*.safetensors", "*.model", "*.metadata", "*_Dense/*.bin", "*_LayerNorm/*.bin"]
_OLD_FILES = ["pytorch_model*.bin"]


def download(name: str) -> Path:
    """Return the folder of a model, downloaded if it is not in the cache.

    Raises:
        ModelError: the name is not possible on the hub, or the hub does not provide the model.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        directory = Path(snapshot_download(name, allow_patterns=_FILES))
        if not any(directory.glob("*.safetensors")):  # as the original DPR checkpoints, published before that format
            directory = Path(snapshot_download(name, allow_patterns=[*_FILES, *_OLD_FILES]))
    except HFValidationError as error:
        raise ModelError(
            f"there is no folder {name!r}, and it is no possible name on the Hugging Face hub; check the path"
        ) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"there is no folder {name!r}, and the Hugging Face hub provides no such model ({reason}); "
            "check the name, or download the model and give its folder"
        ) from error
    return directory
