"""Whether Ray is there, which few need."""

from importlib import import_module


def check_installed(library: str, what: str) -> None:
    """Raises ValueError where one of Ray's libraries, such as ``tune``, is not installed; says what needs it."""
    try:
        for module in ("ray", f"ray.{library}"):
            import_module(module)
    except ImportError as error:
        raise ValueError(f'{what} needs Ray {library.title()}: pip install "ray[{library}]" ({error})') from None
