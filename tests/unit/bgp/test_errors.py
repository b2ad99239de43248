from vipd.bgp.errors import NotificationError
from vipd.bgp.iana import CeaseError, ErrorCode


def test_an_error_is_a_sentence():
    assert str(NotificationError(6, 2)) == "Cease / Administrative Shutdown"
    error = NotificationError(
        ErrorCode.CEASE, CeaseError.CONNECTION_REJECTED, data=b"\1", text="we know no 192.0.2.9"
    )
    assert str(error) == "Cease / Connection Rejected: we know no 192.0.2.9"
    assert (error.code, error.subcode, error.data, error.text) == (6, 5, b"\1", "we know no 192.0.2.9")
