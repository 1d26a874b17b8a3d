"""The broker's two tables: messages under lease, and where exchanges send them."""

from django.db import migrations

FORWARD = """
CREATE TABLE broker_message (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue text NOT NULL CHECK (length(queue) BETWEEN 1 AND 255),
    priority smallint NOT NULL DEFAULT 0 CHECK (priority BETWEEN 0 AND 9),
    payload text NOT NULL,
    available_at timestamptz NOT NULL DEFAULT now(),
    consumer integer,
    leased_until timestamptz,
    deliveries integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT broker_message_lease CHECK ((consumer IS NULL) = (leased_until IS NULL))
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
CREATE INDEX broker_message_ready ON broker_message (queue, priority DESC, id) WHERE consumer IS NULL;
CREATE INDEX broker_message_leased ON broker_message (consumer) WHERE consumer IS NOT NULL;

CREATE TABLE broker_binding (
    exchange text NOT NULL,
    queue text NOT NULL,
    routing_key text NOT NULL,
    pattern text NOT NULL,
    consumer integer,
    PRIMARY KEY (exchange, queue, routing_key)
);

DO $$ DECLARE name text; BEGIN
    FOREACH name IN ARRAY ARRAY['robutler_app', 'robutler_platform'] LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON broker_message, broker_binding TO %I', name);
        END IF;
    END LOOP;
END $$;
"""
BACKWARD = "DROP TABLE broker_binding; DROP TABLE broker_message;"


class Migration(migrations.Migration):
    """Create the broker's tables."""

    initial = True
    operations = (migrations.RunSQL(FORWARD, BACKWARD),)
