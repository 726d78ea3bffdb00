"""What is compared, a file a kind of work; a public function is a section of the page."""
