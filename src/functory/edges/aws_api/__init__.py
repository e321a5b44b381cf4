"""The HTTP endpoint of all AWS APIs of this node."""
