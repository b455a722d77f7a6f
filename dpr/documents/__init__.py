"""Documents as people have them (PDF, office files, pages, plain text): their text, with pages and headings."""
