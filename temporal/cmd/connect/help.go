package connect

// Help describes the flags of [Flags].
const Help = `  -address <host:port>     of the Temporal server; default 127.0.0.1:7233
  -namespace <name>        default "default"
  -task-queue <name>       of the workers; default "ecsreboot". Restarts have a queue of their own,
                           with "-send" behind the name
  -tls                     encrypt, which an API key or one of the flags below does as well
  -tls-cert, -tls-key      files of the client's certificate and its key
  -tls-ca <file>           the authority that signed the certificate of the server, if the system
                           does not know it
  -tls-server-name <name>  the name that the server's certificate must have
  -api-key-file <file>     holds an API key; it is read anew for each call. There is no flag for the
                           key itself, as others could read it from the list of processes
`

// HelpEnvironment describes the variables that [Flags] heed where no flag is given.
const HelpEnvironment = `  TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY
  TEMPORAL_TLS, TEMPORAL_TLS_CLIENT_CERT_PATH, TEMPORAL_TLS_CLIENT_KEY_PATH,
  TEMPORAL_TLS_SERVER_CA_CERT_PATH, TEMPORAL_TLS_SERVER_NAME
  TEMPORAL_CONFIG_FILE, TEMPORAL_PROFILE    the file of the temporal CLI and a profile in it; other
                                            settings of both apply as in the CLI
`
