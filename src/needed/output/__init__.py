"""Where an image goes: files, layouts, archives, engines. The only folder that writes to disks and sockets.

Every file appears under its name whole or not at all. Nothing here decides what is in an image.
"""
