package page

// Crash ends the service without a word to the browsers.
func (p *Page) Crash() { _ = p.server.Close() }
