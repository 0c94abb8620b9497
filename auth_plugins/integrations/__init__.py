"""Auth objects in other programs and libraries: aiohttp, niquests, urllib3 and HTTPie. Import the module that you need.

Each module imports its library, and no other module imports it.
"""
