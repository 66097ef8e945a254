"""Sphinx configuration of the site: `make docs`."""

from importlib.metadata import version as installed_version

project = "HIRL-Restore"
author = "The HIRL-Restore authors"
copyright = "The HIRL-Restore authors"
version = release = installed_version("hirl-restore")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "benchmark/*", "paper/*"]  # the latter two are tables that pages include
html_theme = "furo"
html_title = "HIRL-Restore"
html_show_copyright = False

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
# Docstrings are Markdown in spirit: single backticks name code, not a role.
default_role = "code"
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # a dataclass documents its fields twice otherwise: as an attribute, and as a member
