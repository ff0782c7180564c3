package docker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"

	"github.com/docker/docker/api/types/container"
)

// A container has the labels of its image too. An image that `docker commit` made
// from a container of a stack carries that container's marks, and so does every
// container that someone makes from such an image: those marks prove nothing.
// Each container that midaz makes therefore carries a random label of its own.

// newMark returns a value of labelMade.
func newMark() string {
	mark := make([]byte, 8)
	_, _ = rand.Read(mark) // never fails: crypto/rand aborts the program
	return hex.EncodeToString(mark)
}

// alwaysMarked are the labels that are written on every container of a stack,
// and on one of an earlier version of midaz all but labelMade.
var alwaysMarked = map[string]bool{labelStack: true, labelAddress: true, labelSpec: true, labelEngine: true, labelGen: true,
	labelMade: true}

// withoutInherited returns the labels of a container without the marks that come
// from its image.
func withoutInherited(labels, image map[string]string) map[string]string {
	if image[labelStack] == "" || labels[labelStack] == "" {
		return labels
	}
	if isInherited(labels, image) {
		return withoutMarks(labels)
	}
	out := make(map[string]string, len(labels))
	for k, v := range labels {
		if was, ok := image[k]; !ok || was != v || alwaysMarked[k] || !strings.HasPrefix(k, labelPrefix) {
			out[k] = v
		}
	}
	return out
}

// isInherited reports whether the marks of a container are those of its image.
func isInherited(labels, image map[string]string) bool {
	for k := range alwaysMarked {
		if labels[k] != image[k] {
			return false
		}
	}
	return true
}

// ownOf returns the labels of a container without inherited marks. What cannot be
// compared, because the image is gone or cannot be read, is kept.
func (a *recordedReads) ownOf(ctx context.Context, labels map[string]string, image string) map[string]string {
	if labels[labelStack] == "" || image == "" {
		return labels
	}
	return withoutInherited(labels, a.labelsOfImage(ctx, image))
}

// labelsOfImage returns the labels of an image by its ID.
func (a *recordedReads) labelsOfImage(ctx context.Context, id string) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	got, err := a.ImageInspect(ctx, id)
	if err != nil || got.Config == nil {
		return nil
	}
	return got.Config.Labels
}

// ownLabelsOf replaces the labels of listed containers by their own.
func (a *recordedReads) ownLabelsOf(ctx context.Context, list []container.Summary) {
	for i := range list {
		list[i].Labels = a.ownOf(ctx, list[i].Labels, list[i].ImageID)
	}
}
