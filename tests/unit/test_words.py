import pytest

from vipd import words


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Connection refused", "connection refused"),
        ("IP address mismatch, certificate is not valid.", "IP address mismatch, certificate is not valid"),
        ("certificate has expired", "certificate has expired"),
        ("A", "A"),
        ("", ""),
    ],
)
def test_a_sentence_becomes_a_clause(text, said):
    assert words.clause(text) == said


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)"), "connection refused"),
        (PermissionError(13, "Permission denied", "/bin/nowhere"), "permission denied: /bin/nowhere"),
        (OSError("connection closed before an answer"), "connection closed before an answer"),
        (OSError(), ""),
    ],
)
def test_an_error_in_words(error, said):
    assert words.of(error) == said
