"""What people read of results: a page, tables and drawings, all made from one `Content`."""
