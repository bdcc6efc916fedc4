"""Values to text and to JSON-able objects. Pure: nothing here reads, writes or decides."""
