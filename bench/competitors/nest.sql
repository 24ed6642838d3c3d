CREATE TABLE users (
  id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY, email text NOT NULL UNIQUE, password text NOT NULL,
  refresh_token text, reset_token text UNIQUE, reset_expires_at timestamp
);
