"""One module per `hirl` command: options, the call, what is printed."""
