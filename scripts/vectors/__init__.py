"""The test vectors of the `.dpf` format, a module a topic."""
