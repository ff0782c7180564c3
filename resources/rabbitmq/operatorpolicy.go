package rabbitmq

import "github.com/LerianStudio/midaz-infra/resources"

const operatorPolicyName = "operator-policy"

var operatorPolicyTable = &resources.Table{
	Kind: operatorPolicyName, Section: "rabbitmq/vhosts/*/operator_policies/*",
	Example: "{bounds: {pattern: \"^orders\\\\.\", apply_to: queues, definition: {max-length: 100000}}}",
	Doc:     "An operator policy: limits that hold whatever the policies say; of two limits the lower one.",
	Fields:  policyFields("operator policy"),
}

var _ = register(policyKind{single: policySingle(operatorPolicyTable, "operator-policies"), operator: true})
