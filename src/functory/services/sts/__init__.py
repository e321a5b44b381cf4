"""AWS Security Token Service: temporary credentials."""
