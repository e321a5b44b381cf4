"""Where bytes from outside become calls. An edge has no opinion about Lambda."""
