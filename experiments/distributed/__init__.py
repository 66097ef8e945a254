"""Work on many machines: Ray clusters, and parallel application of functions on them."""

import os
from typing import Any

from hirl_env.extras import optional

# Read when Ray is imported. What its daemons have to tell of a lost node are pages that are not for users.
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


def import_ray(module: str, extra: str) -> Any:
    """Imports a module of Ray.

    Args:
        module: Name of the module: ``ray.tune``.
        extra: Name of the extra that installs it.

    Raises:
        ImportError: If Ray is not installed; says what to install.
    """
    optional("ray", extra)
    return optional(module, extra)
