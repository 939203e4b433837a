"""The word lists of the text rules: tab-separated columns, explained in each file's first line."""
