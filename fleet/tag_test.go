package fleet_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

func TestParseTagCondition(t *testing.T) {
	type condition = fleet.TagCondition
	for text, want := range map[string]condition{
		"role":                {Key: "role"},
		"!role":               {Key: "role", Not: true},
		"role=web":            {Key: "role", Values: []string{"web"}},
		"role=web|api":        {Key: "role", Values: []string{"web", "api"}},
		"env!=prod":           {Key: "env", Values: []string{"prod"}, Not: true},
		"env!=prod|test":      {Key: "env", Values: []string{"prod", "test"}, Not: true},
		"role=":               {Key: "role", Values: []string{""}},
		"role=|web":           {Key: "role", Values: []string{"", "web"}},
		"Straße 1=a=b !%ü":    {Key: "Straße 1", Values: []string{"a=b !%ü"}},
		`a\=b=c`:              {Key: "a=b", Values: []string{"c"}},
		`\!a=b\|c|d\\`:        {Key: "!a", Values: []string{"b|c", `d\`}},
		`a\!!=b`:              {Key: "a!", Values: []string{"b"}, Not: true},
		"acs:rm:rgId!=rg-1":   {Key: "acs:rm:rgId", Values: []string{"rg-1"}, Not: true},
		"a=b!":                {Key: "a", Values: []string{"b!"}},
		"a=!b":                {Key: "a", Values: []string{"!b"}},
		`!\|`:                 {Key: "|", Not: true},
		"node\u3000a=\u00e9x": {Key: "node\u3000a", Values: []string{"éx"}},
	} {
		got, err := fleet.ParseTagCondition(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
		again, err := fleet.ParseTagCondition(got.String())
		require.NoError(t, err, text)
		require.Equal(t, want, again, text)
	}
	for text, want := range map[string]string{
		"":            "has no key",
		"!":           "has no key",
		"=a":          "has no key",
		"!=a":         "write KEY!=VALUE",
		"!a=b":        "write KEY!=VALUE",
		"a|b":         "has a | in the key",
		"a|b=c":       "has a | in the key",
		"a!b":         "has a ! inside the key",
		"a!":          "has a ! inside the key",
		"a!!=b":       "has a ! inside the key",
		"env != prod": "has a space around",
		"env!= prod":  "has a space around",
		"env =prod":   "has a space around",
		" env":        "has a space around",
		"env=a| b":    "has a space around",
		`a\`:          "ends with a backslash",
		`a=\n`:        "has a backslash before n",
		"a=\xff":      "is not valid UTF-8",
	} {
		got, err := fleet.ParseTagCondition(text)
		require.ErrorIs(t, err, ecsreboot.ErrInvalidInput, text)
		require.ErrorContains(t, err, want, text)
		require.Empty(t, got)
	}
}

func TestTagConditionMatches(t *testing.T) {
	tags := map[string]string{"role": "web", "env": ""}
	for text, want := range map[string]bool{
		"role": true, "!role": false, "none": false, "!none": true,
		"role=web": true, "role=api|web": true, "role=Web": false, "role=": false, "env=": true, "env=x": false,
		"role!=web": false, "role!=api": true, "role!=api|web": false, "none!=x": true, "env!=": false, "none=": false,
	} {
		c, err := fleet.ParseTagCondition(text)
		require.NoError(t, err)
		require.Equal(t, want, c.Matches(tags), text)
	}
	require.True(t, fleet.TagCondition{Key: "a", Not: true}.Matches(nil))
	require.Equal(t, []fleet.TagCondition{{Key: "a"}, {Key: "b", Values: []string{"c"}}}, fleet.HasTags(map[string]string{"b": "c", "a": ""}))
}

// FuzzParseTagCondition: what is parsed has a text that means the same, and "!=" is the
// opposite of "=".
func FuzzParseTagCondition(f *testing.F) {
	f.Add("role=web|api", "web")
	f.Add(`!a\=b`, "")
	f.Add(`\!a!=b\|c|d\\`, "b|c")
	f.Fuzz(func(t *testing.T, text, value string) {
		c, err := fleet.ParseTagCondition(text)
		if err != nil {
			require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
			return
		}
		require.NotEmpty(t, c.Key)
		require.Equal(t, strings.TrimSpace(c.Key), c.Key)
		again, err := fleet.ParseTagCondition(c.String())
		require.NoError(t, err, c.String())
		require.Equal(t, c, again)
		opposite := c
		opposite.Not = !c.Not
		for _, tags := range []map[string]string{nil, {c.Key: value}, {c.Key + "x": value}} {
			require.NotEqual(t, c.Matches(tags), opposite.Matches(tags))
		}
		require.Equal(t, c.Not, c.Matches(nil), "of an instance without tags")
		for _, v := range c.Values {
			require.Equal(t, !c.Not, c.Matches(map[string]string{c.Key: v}))
		}
	})
}
