package credential

import (
	"strings"
	"unicode"
)

// splitCommand splits a command as credentials-go does, which uses no shell. White
// space separates arguments; single and double quotes keep it. Outside of quotes a
// backslash takes the meaning from the next character; in double quotes only from ", \,
// $ and `; before a line break it takes that away. On Windows it is a character of paths,
// except in \" within double quotes.
func splitCommand(command string, windows bool) ([]string, error) {
	var args []string
	var arg strings.Builder
	var quote rune   // the one that is open
	started := false // an argument, which may be empty
	text := []rune(strings.TrimSpace(command))
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && isEscape(quote, text[i+1:], windows):
			if i++; i == len(text) {
				return nil, problem("its process_command ends with a backslash")
			}
			if text[i] != '\n' {
				arg.WriteRune(text[i])
				started = true
			}
		case quote == 0 && (c == '\'' || c == '"'):
			quote, started = c, true
		case quote == 0 && unicode.IsSpace(c):
			if started {
				args = append(args, arg.String())
			}
			arg.Reset()
			started = false
		default:
			arg.WriteRune(c)
			started = true
		}
	}
	if quote != 0 {
		return nil, problem("its process_command has a quote that is not closed")
	}
	if started {
		args = append(args, arg.String())
	}
	if len(args) == 0 || args[0] == "" {
		return nil, problem("its process_command is empty")
	}
	return args, nil
}

// isEscape reports whether a backslash takes the meaning from what follows.
func isEscape(quote rune, rest []rune, windows bool) bool {
	switch {
	case quote == '\'', windows && quote == 0:
		return false
	case quote == 0:
		return true
	case len(rest) == 0:
		return false
	case windows:
		return rest[0] == '"'
	}
	return strings.ContainsRune("\"\\$`\n", rest[0])
}
