"""What a table may have at most, so that no file of a few MB can take the memory of a host."""

import csv

MAX_COLUMNS = 1000
MAX_RECORD_CHARS = 1_000_000  # one row with all its cells; a text of 100,000 escaped fits in
CHUNK_ROWS = 256
CHUNK_CHARS = 4_000_000

XLSX_ROWS = 1_048_576  # what a spreadsheet can show
XLSX_COLUMNS = 16_384
XLSX_UNPACKED_BYTES = 2 * 1024**3 - 1  # sheet and shared strings together; ZIP64 begins above it
XLSX_SMALL_PART_BYTES = 16 * 1024**2  # workbook, relations and styles, each
XLSX_DIRECTORY_BYTES = 4 * 1024**2  # the list of what a ZIP file holds

READ_BYTES = 256 * 1024

# csv's own limit (131,072) is one for the whole process and below ours. Our readers count the
# characters of a record themselves, so it only has to be out of the way.
csv.field_size_limit(max(csv.field_size_limit(), 2 * MAX_RECORD_CHARS))
