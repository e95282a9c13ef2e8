-- The one statement of the door.

-- name: promise
-- S0 -> promised: the messages of a group ($2-$22), their bodies ($23-$24), recipients ($25-$37: waiting, ready, held, or suppressed
-- and final at once) and first events ($38-$44), each as arrays of columns, together or not at all; all of lot $45. The delivery processes
-- named in $1 (maybe none) hear of it with the commit; they look for themselves, so a lost notice costs one tick.
SELECT (SELECT pg_notify('outbox', $1) WHERE $1 <> ''), promise_mail(
    $2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
    $11::text[], $12::smallint[], $13::text[], $14::text[], $15::timestamptz[], $16::timestamptz[], $17::integer[],
    $18::boolean[], $19::uuid[], $20::smallint[], $21::text[], $22::text[],
    $23::smallint[], $24::bytea[],
    $25::uuid[], $26::uuid[], $27::uuid[], $28::text[], $29::text[], $30::text[], $31::text[], $32::text[],
    $33::smallint[], $34::timestamptz[], $35::timestamptz[], $36::timestamptz[], $37::text[],
    $38::uuid[], $39::uuid[], $40::timestamptz[], $41::uuid[], $42::uuid[], $43::text[], $44::text[],
    $45::integer
);
