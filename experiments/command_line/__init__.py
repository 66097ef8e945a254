"""Modules that the commands share: checks of options, tables on the screen, files of results, interrupts."""
