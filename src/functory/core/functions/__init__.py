"""Functions, versions and aliases: what a name and qualifier stand for, and what of it runs."""
