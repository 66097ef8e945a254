"""Work on many machines: Ray clusters, and functions that are applied to many things side by side on one."""

import os

# Read when Ray is imported. What its daemons have to tell of a lost node are pages that are not for users.
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
