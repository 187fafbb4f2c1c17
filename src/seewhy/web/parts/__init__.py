"""The frame round the pages: navigation, looks, and the parts that pages share."""
