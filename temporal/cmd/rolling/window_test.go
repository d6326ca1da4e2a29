package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWindowFlag(t *testing.T) {
	var w windowFlag
	require.NoError(t, w.Set("22:00-05:30@Asia/Shanghai,mon,Fri"))
	require.Equal(t, 22*time.Hour, w.Start)
	require.Equal(t, 5*time.Hour+30*time.Minute, w.End)
	require.Equal(t, "Asia/Shanghai", w.Location.String())
	require.Equal(t, []time.Weekday{time.Monday, time.Friday}, w.Days)
	require.NoError(t, w.Set("00:00-24:00"))
	require.Equal(t, time.UTC, w.Location)
	require.Empty(t, w.Days)
	for _, text := range []string{"", "22", "22:00", "22:00-25:00", "22:00-05:00@Mars", "22:00-05:00,moon", "22:00-05:00,mon,"} {
		require.Error(t, w.Set(text), text)
	}
}
