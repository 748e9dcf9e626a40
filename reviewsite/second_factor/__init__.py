"""The second factor of whoever logs in: codes of an authenticator app, or backup codes.

django-otp has the codes (TOTP, RFC 6238), keeps guesses apart and takes no code twice. Here is who
must show one, and the page that asks for it. It is asked for where ADMIN_SECOND_FACTOR says so.
"""
