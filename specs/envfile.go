package specs

// ReadEnv reads the text of a file of NAME=value lines that the spec names, as
// Compose does with an env_file. References see the names above them in the
// text, then the spec's variables. file is the name for positions. No problem
// repeats a value.
func (s *Spec) ReadEnv(file, text string) (map[string]string, Problems) {
	out := map[string]string{}
	var ps Problems
	d := &dotenv{
		file: file, text: text,
		report: func(p *Problem) { ps = append(ps, p) },
		set:    func(key, text string, _ Pos) { out[key] = text },
		lookup: func(name string) (string, bool) {
			if v, ok := out[name]; ok {
				return v, true
			}
			if s.scope == nil {
				return "", false
			}
			s.scope.use("${" + name + "}")
			v := s.scope.lookup(name)
			return v.text, v.set
		},
	}
	d.parse()
	return out, ps
}
