"""The REST interface: routes that hand in work at the same services as the pages."""
