package render

import (
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
)

// jsonTopology is `topology -format json`.
type jsonTopology struct {
	FormatVersion string              `json:"format_version"`
	Vhosts        []jsonTopologyVhost `json:"vhosts"`
}

type jsonTopologyVhost struct {
	Name      string             `json:"name"`
	Exchanges []jsonTopologyNode `json:"exchanges"`
	Queues    []jsonTopologyNode `json:"queues"`
	Edges     []jsonTopologyEdge `json:"edges"`
	// Names of policies that match nothing, and of queues that nothing leads to.
	IdlePolicies         []string `json:"idle_policies"`
	IdleOperatorPolicies []string `json:"idle_operator_policies"`
	Lonely               []string `json:"lonely_queues"`
}

// jsonTopologyNode is an exchange or a queue with what holds for it.
type jsonTopologyNode struct {
	Name     string `json:"name"`
	Type     string `json:"type"` // "" when it is not known
	Internal bool   `json:"internal,omitempty"`
	External bool   `json:"external,omitempty"`
	// Undeclared is an exchange that is referred to and nowhere declared.
	Undeclared     bool                  `json:"undeclared,omitempty"`
	Policy         *jsonHolding          `json:"policy,omitempty"`
	OperatorPolicy *jsonHolding          `json:"operator_policy,omitempty"`
	Settings       []jsonTopologySetting `json:"settings"`
}

// jsonHolding names the policy that holds, and those that match and do not.
type jsonHolding struct {
	Holds   string   `json:"holds,omitempty"`
	Tied    []string `json:"tied,omitempty"`
	Beaten  []string `json:"beaten,omitempty"`
	Untried []string `json:"untried,omitempty"`
}

type jsonTopologySetting struct {
	Key   string   `json:"key"`
	Value any      `json:"value"`
	From  string   `json:"from"`
	Over  []string `json:"over,omitempty"`
}

// jsonTopologyEdge is a way that messages take.
type jsonTopologyEdge struct {
	Kind       routing.EdgeKind `json:"kind"`
	From       jsonTopologyEnd  `json:"from"`
	To         jsonTopologyEnd  `json:"to"`
	RoutingKey string           `json:"routing_key"`
	Arguments  map[string]any   `json:"arguments,omitempty"`
	// By says where it is written, for what is no binding.
	By string `json:"by,omitempty"`
}

type jsonTopologyEnd struct {
	Kind string `json:"kind"` // exchange or queue
	Name string `json:"name"`
}

func TopologyJSON(all []*routing.Vhost, _ Ink) string {
	doc := jsonTopology{FormatVersion: "1.0", Vhosts: []jsonTopologyVhost{}}
	for _, v := range all {
		doc.Vhosts = append(doc.Vhosts, jsonVhost(v))
	}
	return JSONText(doc)
}

func jsonVhost(v *routing.Vhost) jsonTopologyVhost {
	g := v.Graph()
	out := jsonTopologyVhost{Name: v.Name, Exchanges: []jsonTopologyNode{}, Queues: []jsonTopologyNode{}, Edges: []jsonTopologyEdge{},
		Lonely: []string{}}
	ends := make([]jsonTopologyEnd, len(g.Nodes))
	for i, n := range g.Nodes {
		if n.Queue != nil {
			ends[i] = jsonTopologyEnd{"queue", n.Name}
			out.Queues = append(out.Queues, jsonNode(jsonTopologyNode{Name: n.Name, Type: n.Queue.Type, External: n.Queue.External},
				v.ForQueue(n.Queue)))
			continue
		}
		ends[i] = jsonTopologyEnd{"exchange", n.Name}
		out.Exchanges = append(out.Exchanges, jsonNode(jsonTopologyNode{Name: n.Name, Type: n.Exchange.Type, Internal: n.Exchange.Internal,
			External: n.Exchange.External, Undeclared: n.Missing}, v.ForExchange(n.Exchange)))
	}
	for _, e := range g.Edges {
		edge := jsonTopologyEdge{Kind: e.Kind, From: ends[e.From], To: ends[e.To], RoutingKey: e.Key, By: e.Setting.From}
		if e.Binding != nil {
			edge.RoutingKey, edge.Arguments = e.Binding.Key, e.Binding.Arguments
		}
		out.Edges = append(out.Edges, edge)
	}
	idle, idleOperator := v.Dead()
	out.IdlePolicies, out.IdleOperatorPolicies = policyNames(idle), policyNames(idleOperator)
	for _, q := range g.Lonely() {
		out.Lonely = append(out.Lonely, q.Name)
	}
	return out
}

func jsonNode(n jsonTopologyNode, e routing.Effective) jsonTopologyNode {
	n.Policy, n.OperatorPolicy, n.Settings = holdingJSON(e.Policy), holdingJSON(e.Operator), []jsonTopologySetting{}
	for _, s := range e.Settings {
		n.Settings = append(n.Settings, jsonTopologySetting(s))
	}
	return n
}

// holdingJSON returns nil when no policy is for it.
func holdingJSON(h routing.Holding) *jsonHolding {
	if h.Policy == nil && len(h.Untried) == 0 {
		return nil
	}
	out := &jsonHolding{Tied: policyNames(h.Tied), Beaten: policyNames(h.Beaten), Untried: policyNames(h.Untried)}
	if h.Policy != nil {
		out.Holds = h.Policy.Name
	}
	return out
}

func policyNames(all []*routing.Policy) []string {
	out := []string{}
	for _, p := range all {
		out = append(out, p.Name)
	}
	return out
}
