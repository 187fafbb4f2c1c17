"""The REST interface: routes that hand in work at the same desk as the pages."""
