// Package logvalue makes a [slog.Value] of a struct by its JSON tags, so that log records
// and JSON have the same fields.
package logvalue

import (
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/seconds"
)

// Of returns the fields of a struct, or of what a pointer points to, as a group. A nil
// pointer is the zero Value.
//
// The keys are those of the JSON in snake case, and what is left out there because it is
// empty is left out here. A duration loses the "Seconds" of its key, because slog knows
// durations. A list of structs is logged as its length.
func Of(value any) slog.Value {
	v := reflect.ValueOf(value)
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return slog.Value{}
		}
		v = v.Elem()
	}
	return slog.GroupValue(appendFields(nil, v)...)
}

func appendFields(attributes []slog.Attr, v reflect.Value) []slog.Attr {
	for i := range v.NumField() {
		key, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		field := v.Field(i)
		switch {
		case v.Type().Field(i).Anonymous && key == "":
			attributes = appendFields(attributes, field)
		case key == "" || key == "-" || options != "" && isEmpty(field):
		default:
			attributes = append(attributes, attribute(key, field))
		}
	}
	return attributes
}

// isEmpty reports whether omitempty or omitzero leaves a field out.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	default:
		return v.IsZero()
	}
}

func attribute(key string, v reflect.Value) slog.Attr {
	value := v.Interface()
	if d, ok := value.(seconds.Duration); ok {
		return slog.Duration(snakeCase(strings.TrimSuffix(key, "Seconds")), time.Duration(d))
	}
	key = snakeCase(key)
	switch value := value.(type) {
	case slog.LogValuer, time.Time:
		return slog.Any(key, value)
	case fmt.Stringer:
		return slog.String(key, value.String())
	}
	switch v.Kind() {
	case reflect.Struct, reflect.Pointer:
		return slog.Attr{Key: key, Value: Of(value)}
	case reflect.String: // also of a named type
		return slog.String(key, v.String())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Struct {
			return slog.Int(key, v.Len())
		}
	default:
	}
	return slog.Any(key, value)
}

// snakeCase writes lowerCamel as lower_camel.
func snakeCase(key string) string {
	snake := make([]byte, 0, len(key)+4)
	for _, c := range []byte(key) {
		if 'A' <= c && c <= 'Z' {
			snake = append(snake, '_')
			c += 'a' - 'A'
		}
		snake = append(snake, c)
	}
	return string(snake)
}
