"""Calls the example as a client in another language does: python client.py ADDRESS TOKEN"""

import sys

import grpc

ADDRESS, TOKEN = sys.argv[1:]
# Messages of grpc.health.v1 by hand: HealthCheckRequest{service: "bookings"}, HealthCheckResponse{status: SERVING}.
REQUEST = b"\x0a\x08bookings"
SERVING = b"\x08\x01"
SIGNED = (("authorization", "Bearer " + TOKEN),)


def same(message):
    return message


def metadata_of(error):
    # An answer without a message has one block of metadata, which is that of its end.
    return dict(error.initial_metadata()) | dict(error.trailing_metadata())


with grpc.insecure_channel(ADDRESS) as channel:
    check = channel.unary_unary("/grpc.health.v1.Health/Check", same, same)
    watch = channel.unary_stream("/grpc.health.v1.Health/Watch", same, same)

    def refused(metadata):
        try:
            check(REQUEST, metadata=metadata)
        except grpc.RpcError as error:
            return error
        raise AssertionError(f"a call with {metadata} was answered")

    # Without a token, and with another one.
    for metadata in ((), (("authorization", "Bearer " + TOKEN[::-1]),)):
        error = refused(metadata)
        assert error.code() == grpc.StatusCode.UNAUTHENTICATED, error
        assert "x-request-id" in metadata_of(error), error

    answer, call = check.with_call(REQUEST, metadata=SIGNED)
    assert answer == SERVING, answer
    assert "x-request-id" in dict(call.initial_metadata()), call.initial_metadata()

    # A stream passes whole.
    stream = watch(REQUEST, metadata=SIGNED)
    assert next(stream) == SERVING
    stream.cancel()

    # A method that is not there is the service's answer, not a refusal of a layer.
    unknown = channel.unary_unary("/grpc.health.v1.Health/Nothing", same, same)
    try:
        unknown(REQUEST, metadata=SIGNED)
        raise AssertionError("a method that is not there was answered")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error

    # More than the burst of 20 at once.
    calls = [check.future(REQUEST, metadata=SIGNED) for _ in range(60)]
    errors = [error for error in (call.exception() for call in calls) if error is not None]
    assert errors and len(errors) < 60, len(errors)
    for error in errors:
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error
        assert int(metadata_of(error)["grpc-retry-pushback-ms"]) >= 1, error

print("ok")
