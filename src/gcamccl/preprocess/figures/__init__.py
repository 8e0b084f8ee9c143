"""The page of pictures of one scan: what is sampled for it, its parts, the page."""
